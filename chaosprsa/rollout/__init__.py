"""The way into production and back: a plan, a Chaos Toolkit experiment that plays it, a judge, and rollbacks."""
