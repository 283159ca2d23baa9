package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// startServer runs `smiley server` until the test ends, and returns the address that it printed.
func startServer(t *testing.T, args ...string) *url.URL {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		args := append([]string{"server", "--database", filepath.Join(t.TempDir(), "smiley.db")}, args...)
		ended <- Run(ctx, args, strings.NewReader(""), io.Discard, writer)
		_ = writer.Close()
	}()
	lines := bufio.NewReader(reader)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("it ended with %d: %s", <-ended, line)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the server
	t.Cleanup(func() {
		stop()
		<-ended
	})
	_, rest, _ := strings.Cut(line, "at ")
	address, err := url.Parse(strings.Fields(rest)[0])
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return address
}

// TestServerAnswersWhoItShould starts the real server on this machine only, beyond it with a token, and beyond it on a network
// that is trusted.
func TestServerAnswersWhoItShould(t *testing.T) {
	status := func(address *url.URL, host string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address.String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.URL.Host = "127.0.0.1:" + address.Port()
		if request.Host = address.Host; host != "" {
			request.Host = host
		}
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		defer client.CloseIdleConnections()
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	here := startServer(t, "--listen", "127.0.0.1:0")
	if got := status(here, ""); got != http.StatusOK {
		t.Errorf("on this machine: %d", got)
	}
	if got := status(here, "evil.example"); got != http.StatusForbidden {
		t.Errorf("under a strange name: %d", got)
	}
	secret := startServer(t, "--listen", "0.0.0.0:0", "--token", "open sesame")
	if got := status(secret, ""); got != http.StatusSeeOther {
		t.Errorf("with the token: %d", got)
	}
	bare := *secret
	bare.RawQuery = ""
	if got := status(&bare, ""); got != http.StatusUnauthorized {
		t.Errorf("without the token: %d", got)
	}
	trusted := startServer(t, "--listen", "0.0.0.0:0", "--insecure", "--read-only")
	if got := status(trusted, ""); got != http.StatusOK {
		t.Errorf("on a trusted network: %d", got)
	}
	if got := status(trusted, "evil.example"); got != http.StatusForbidden {
		t.Errorf("on a trusted network, under a strange name: %d", got)
	}
}
