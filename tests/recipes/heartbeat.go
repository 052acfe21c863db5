// A heartbeat for lastbeat: heartbeat(ctx) in a program, or alone: go run heartbeat.go
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// heartbeat beats until ctx is done, says bye, and closes what it returned.
func heartbeat(ctx context.Context) <-chan struct{} {
	seconds := os.Getenv("HEARTBEAT_EVERY")
	if seconds == "" {
		seconds = "30"
	}
	every, err := time.ParseDuration(seconds + "s")
	if err != nil || every <= 0 {
		log.Fatalf("HEARTBEAT_EVERY: %q is not a number of seconds", seconds)
	}
	// A fleet does not beat as one. Before Go 1.20 the random numbers are the same everywhere unless seeded.
	wait := time.Duration(rand.New(rand.NewSource(time.Now().UnixNano())).Int63n(int64(every)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seq := 1; ; seq++ {
			select {
			case <-time.After(wait):
				fmt.Printf("HEARTBEAT every=%ss name=worker seq=%d\n", seconds, seq)
				wait = every
			case <-ctx.Done():
				fmt.Println("HEARTBEAT name=worker bye")
				return
			}
		}
	}()
	return done
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	bye := heartbeat(ctx)
	// The program's own work, until ctx is done.
	<-bye
}
