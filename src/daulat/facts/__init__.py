"""What is true in the cluster: raw objects in, frozen values out. What can't be read is Unknown, never guessed. Pure."""
