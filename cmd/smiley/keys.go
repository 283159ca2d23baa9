package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"smiley/recording"
	"smiley/transport"
	"smiley/transport/keyring"
)

func (a *app) keysCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "keys",
		Short: "Keys that protect recordings on their way to another machine",
		Long: `Keys that protect recordings on their way to another machine, and decide who may send them. Both sides have a pair in
$XDG_CONFIG_HOME/smiley (else ~/.config/smiley): 'generate' makes it and 'show' prints the public half. The recorder's side
authorizes each sender's public key; the sender's side notes down the recorder's with 'authorize --recorder'.`,
		Example: `  smiley keys generate
  smiley keys show
  smiley keys authorize 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7' laptop
  smiley keys authorize --recorder tcp://10.0.0.7:5556 'Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(a.keysGenerateCommand(), a.keysShowCommand(), a.keysAuthorizeCommand())
	return command
}

func (a *app) keysGenerateCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "generate",
		Short:   "Make a pair of keys and print the public one",
		Example: "  smiley keys generate",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ring, err := keyring.Default()
			if err != nil {
				return err
			}
			pair, err := ring.Generate()
			if err != nil {
				return err
			}
			if err := a.say("the pair is in %s", ring.Dir()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.stdout, pair.Public)
			return err
		},
	}
}

func (a *app) keysShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Print the public key",
		Example: "  smiley keys show",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ring, err := keyring.Default()
			if err != nil {
				return err
			}
			pair, err := ring.Own()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.stdout, pair.Public)
			return err
		},
	}
}

func (a *app) keysAuthorizeCommand() *cobra.Command {
	recorder := ""
	command := &cobra.Command{
		Use:   "authorize [flags] KEY [NAME]",
		Short: "Accept a sender's key, or note down a recorder's",
		Example: `  smiley keys authorize 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7' laptop
  smiley keys authorize --recorder tcp://10.0.0.7:5556 'Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("whose key? give what 'smiley keys show' prints on the other side")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			ring, err := keyring.Default()
			if err != nil {
				return err
			}
			if recorder == "" {
				return ring.Authorize(args[0], strings.Join(args[1:], " "))
			}
			endpoint, err := transport.ParseEndpoint(recorder)
			if err != nil {
				return err
			}
			return ring.Trust(args[0], endpoint)
		},
	}
	command.Flags().StringVar(&recorder, "recorder", "", "the key belongs to the recorder at this address")
	return command
}

// ownKeys returns the keys of this side, which are needed because an endpoint is reached by other machines.
func ownKeys(ring keyring.Ring, endpoint transport.Endpoint) (transport.KeyPair, error) {
	own, err := ring.Own()
	if recording.CodeOf(err) == recording.CodeNotFound {
		return own, recording.Errorf(recording.CodeNotFound, "%s is not on this machine alone, and there is no key in %s to protect what travels", endpoint, ring.Dir()).
			WithHint("run 'smiley keys generate' on both sides and 'smiley keys authorize' for each other's key; or --insecure, for all to read and forge")
	}
	return own, err
}
