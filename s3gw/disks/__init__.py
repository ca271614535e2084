"""The disks below the blobs and the database: how much room they have, and what is kept for when they have none."""
