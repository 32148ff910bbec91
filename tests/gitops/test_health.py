"""What Argo CD's own Lua and Flux's own CEL make of statuses that the operator wrote."""
