"""Fuzzing: every reader is given damaged input; what may come out is its result, or an error of traceview's own."""
