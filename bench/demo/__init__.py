"""`make demo`: plays the main job from end to end and checks every promise."""
