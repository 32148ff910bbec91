"""Which nodes a policy makes eligible, and where a model goes, with a reason for every node that was not chosen. Pure."""
