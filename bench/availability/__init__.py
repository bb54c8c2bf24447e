"""Measures availability: the engine beside the best SQL, and the service beside an empty call."""
