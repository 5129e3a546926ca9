"""How hard a problem is for one student: rollouts, the posterior of its pass rate, and when to stop sampling."""
