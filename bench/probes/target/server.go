package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type order struct {
	Customer string  `json:"customer"`
	Items    []item  `json:"items"`
	Percent  float64 `json:"percent"`
}

type item struct {
	Name     string  `json:"name"`
	Quantity int     `json:"quantity"`
	Price    float64 `json:"price"`
}

//go:noinline
func line(i *item) (float64, error) {
	if i.Quantity < 0 {
		return 0, errSame
	}
	return float64(i.Quantity) * i.Price, nil
}

//go:noinline
func total(o *order) (float64, error) {
	sum := 0.0
	for i := range o.Items {
		l, err := line(&o.Items[i])
		if err != nil {
			return 0, err
		}
		sum += l
	}
	return discount(sum, o.Percent), nil
}

//go:noinline
func discount(sum, percent float64) float64 { return sum * (1 - percent/100) }

//go:noinline
func decode(r io.Reader) (*order, error) {
	o := &order{}
	return o, json.NewDecoder(r).Decode(o)
}

//go:noinline
func handle(w http.ResponseWriter, r *http.Request) {
	o, err := decode(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sum, err := total(o)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"customer": o.Customer, "total": sum})
}

// serve prints its address and serves until it is told to stop. It takes that much longer for each order.
func serve(longer time.Duration) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	handler := handle
	if longer > 0 {
		handler = func(w http.ResponseWriter, r *http.Request) {
			for start := time.Now(); time.Since(start) < longer; {
			}
			handle(w, r)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/order", handler)
	server := &http.Server{Handler: mux}
	mux.HandleFunc("/stop", func(http.ResponseWriter, *http.Request) { go server.Close() })
	fmt.Println("http://" + l.Addr().String())
	_ = server.Serve(l)
}

// load sends orders over that many connections and prints how many were answered, a second and in all.
func load(url string, connections int, d time.Duration) {
	const body = `{"customer":"Ada","percent":5,"items":[{"name":"apple","quantity":6,"price":0.45},{"name":"bread","quantity":1,"price":3.2},{"name":"cheese","quantity":2,"price":12.05}]}`
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	var answered atomic.Int64
	start := time.Now()
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for time.Since(start) < d {
				response, err := client.Post(url+"/order", "application/json", strings.NewReader(body))
				if err != nil {
					continue
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	fmt.Printf("requests %.0f\nanswered %d\n", float64(answered.Load())/time.Since(start).Seconds(), answered.Load())
	if response, err := client.Get(url + "/stop"); err == nil {
		_ = response.Body.Close()
	}
}
