module daulat.dev/dev/expressions

go 1.26.0
