"""What the contracts say, asked from outside."""
