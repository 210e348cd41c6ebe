"""Links 7 to 9: recommend, rollout, report."""
