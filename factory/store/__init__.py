"""What lasts: atomic Parquet parts, manifests, the ledger, the response journal."""
