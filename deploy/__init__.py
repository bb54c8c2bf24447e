"""Everything that runs Fairslot somewhere: on one machine, in containers, on Kubernetes."""
