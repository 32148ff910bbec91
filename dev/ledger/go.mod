// Verifies a log with the libraries of Go's checksum database. Only run: nothing of them is copied here.
module daulat.dev/dev/ledger

go 1.26.0

require golang.org/x/mod v0.41.0
