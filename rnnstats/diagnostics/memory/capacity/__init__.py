"""How many past inputs a state holds, how far back they matter, and models side by side."""
