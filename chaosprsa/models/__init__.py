"""What is learned from a history: one model a file, each `fit(...) -> Self`, kept together in a bundle."""
