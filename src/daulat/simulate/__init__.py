"""Works out what a change would do: the reconcilers run on a copy of the facts, in virtual time, until nothing happens any more."""
