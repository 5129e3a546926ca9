"""What is published: training-set shards, the data card, Croissant metadata, the upload to the Hub."""
