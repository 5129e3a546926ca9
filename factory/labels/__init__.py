"""Labels of a problem and of a trace: domain, level, repetition (paper.md section 2)."""
