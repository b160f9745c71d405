"""How fast traceview is beside the tools that people have: inputs, contenders, rounds, and the page with the results.

``python -m benchmarks --help`` says how to run it. Nothing in the package ``traceview`` imports from here.
"""
