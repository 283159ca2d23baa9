package transport

import (
	"context"
	"errors"
	"io"
)

// Receiver is the receiving end of a connection.
type Receiver interface {
	// Receive waits for the next block. io.EOF says that the sender has closed the connection and that everything it
	// sent was handed out.
	Receive(ctx context.Context) (Delivery, error)
	// Close ends the connection from this end: the sender's calls fail with cause, or with a general error when
	// cause is nil. It is safe to call more than once.
	Close(cause error)
}

// Delivery is a block on its way.
type Delivery struct {
	Encoded []byte // belongs to the receiver until it acknowledges the delivery
	ack     func(error)
}

// Acknowledge tells the sender that the block has been committed, or with an error that it could not be: then no other
// block will be taken. It must be called once for every delivery, in the order of the deliveries.
func (d Delivery) Acknowledge(err error) { d.ack(err) }

// Record receives blocks and commits them one after the other, until the sender closes the connection (nil), a commit
// fails, or ctx ends. Each block is acknowledged after its commit. In any case it closes the receiver.
func Record(ctx context.Context, r Receiver, commit func(encoded []byte) error) error {
	for {
		delivery, err := r.Receive(ctx)
		if errors.Is(err, io.EOF) {
			r.Close(nil)
			return nil
		}
		if err != nil {
			r.Close(err)
			return err
		}
		err = commit(delivery.Encoded)
		delivery.Acknowledge(err)
		if err != nil {
			r.Close(err)
			return err
		}
	}
}

// Serve receives blocks of many runs and commits them, until ctx ends or the receiver is closed. A commit that fails is
// the receiver's matter: it does not end Serve. It returns nil in these cases, and the receiver's error otherwise. In any
// case it closes the receiver; what was committed before is acknowledged.
func Serve(ctx context.Context, r Receiver, commit func(encoded []byte) error) error {
	for {
		delivery, err := r.Receive(ctx)
		if err != nil {
			r.Close(err)
			if errors.Is(err, io.EOF) || ctx.Err() != nil {
				return nil
			}
			return err
		}
		delivery.Acknowledge(commit(delivery.Encoded))
	}
}
