"""Where rows and problems come from: files, the Hub, procedural families, reasoning-gym."""
