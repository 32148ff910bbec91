"""Controllers of other projects, built from their Go modules, for tests of how they run beside Daulat."""
