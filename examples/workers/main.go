// Workers hands jobs to several goroutines over a channel. Some jobs fail with an error, one panics and is recovered, and
// with -crash one panics and is not.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
)

type job struct {
	ID    int
	Input []int
}

type result struct {
	Job  int
	Mean float64
	Err  error
}

var errNothing = errors.New("nothing to average")

func main() {
	workers := flag.Int("workers", 3, "how many goroutines work")
	count := flag.Int("jobs", 12, "how many jobs there are")
	crash := flag.Bool("crash", false, "let the panic of a job end the program")
	flag.Parse()

	jobs := make(chan job)
	results := make(chan result)
	var pool sync.WaitGroup
	for id := range *workers {
		pool.Add(1)
		go func() {
			work(id, jobs, results, *crash)
			pool.Done() // not deferred: a panic that ends the program must not let main come to its end before
		}()
	}
	go produce(*count, jobs)
	go func() {
		pool.Wait()
		close(results)
	}()
	os.Exit(report(results))
}

func produce(count int, jobs chan<- job) {
	for id := range count {
		jobs <- newJob(id)
	}
	close(jobs)
}

// newJob makes a job whose input has as many numbers as its id, but none when the id divides by 5.
func newJob(id int) job {
	j := job{ID: id}
	if id%5 == 0 {
		return j
	}
	for n := range id {
		j.Input = append(j.Input, n*n)
	}
	return j
}

func work(id int, jobs <-chan job, results chan<- result, crash bool) {
	for j := range jobs {
		r := result{Job: j.ID}
		if crash {
			r.Mean, r.Err = mean(j)
		} else {
			r.Mean, r.Err = safely(j)
		}
		results <- r
	}
}

// safely turns a panic of a job into its error.
func safely(j job) (m float64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("job %d: %v", j.ID, p)
		}
	}()
	return mean(j)
}

func mean(j job) (float64, error) {
	if len(j.Input) == 0 {
		return 0, errNothing
	}
	return float64(sum(j.Input)) / float64(len(j.Input)), nil
}

func sum(numbers []int) int {
	total := 0
	for i, n := range numbers {
		if i == 7 && n == numbers[len(numbers)-1] {
			panic("unlucky number " + fmt.Sprint(n))
		}
		total += n
	}
	return total
}

// report prints what came back, and returns the program's exit status: 3 when a job failed.
func report(results <-chan result) int {
	failed := 0
	for r := range results {
		if r.Err != nil {
			fmt.Fprintf(os.Stderr, "job %d failed: %v\n", r.Job, r.Err)
			failed++
			continue
		}
		fmt.Printf("job %d: mean %.2f\n", r.Job, r.Mean)
	}
	if failed > 0 {
		return 3
	}
	return 0
}
