"""Card templates that travel with the package."""
