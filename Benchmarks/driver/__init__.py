"""The parts of the benchmark driver; Benchmarks/run.py puts them together."""
