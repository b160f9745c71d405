"""traceview finds guest I/O in windows in which QEMU's block layer promised silence.

>>> import traceview
>>> trace = traceview.open("vm.log")
>>> trace.scan().count(traceview.Verdict.VIOLATED)
"""

__version__ = "0.1.0"
