// A prime sieve of goroutines: each prime filters its multiples out of what passes it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

func numbers() <-chan int {
	out := make(chan int)
	go func() {
		for number := 2; ; number++ {
			out <- number
		}
	}()
	return out
}

func without(prime int, in <-chan int) <-chan int {
	out := make(chan int)
	go func() {
		for number := range in {
			if number%prime != 0 {
				out <- number
			}
		}
	}()
	return out
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Scan()
	var wanted int
	if _, err := fmt.Sscan(input.Text(), &wanted); err != nil {
		fmt.Fprintln(os.Stderr, "how many primes?")
		os.Exit(2)
	}
	var primes []string
	for passing := numbers(); len(primes) < wanted; {
		prime := <-passing
		primes = append(primes, fmt.Sprint(prime))
		passing = without(prime, passing)
	}
	fmt.Println(strings.Join(primes, " "))
	fmt.Fprintf(os.Stderr, "%d primes\n", len(primes))
	os.Exit(5)
}
