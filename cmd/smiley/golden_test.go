package main

import "flag"

var update = flag.Bool("update", false, "renew the goldens, in testdata and docs/reference")
