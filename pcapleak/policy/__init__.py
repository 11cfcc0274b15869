"""What traffic was meant to do: the policy, its file, its fields."""
