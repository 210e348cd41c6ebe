"""The exact twin: discrete events, compiled, for any call graph."""
