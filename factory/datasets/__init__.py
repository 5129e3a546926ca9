"""From verified responses to training sets: labels, eligibility, difficulty, preference pairs, RL prompts."""
