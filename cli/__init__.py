"""The command `fairslot`: a scheduler's everyday work in a terminal, over the public gRPC API."""
