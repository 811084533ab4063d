-- Queue file, schema 3: a file that took the place of a damaged one; docs/formats/queue-file.md.

-- The highest lease number that the damaged file may have given out and this one may know nothing of; 0: there was none.
ALTER TABLE queue ADD COLUMN lost_lease INTEGER NOT NULL DEFAULT 0;

-- Why it is held, where no operator did it.
ALTER TABLE share ADD COLUMN held_why TEXT NOT NULL DEFAULT '';

-- It was carried over: a worker may have it under a lease that was lost, with a number above this one.
ALTER TABLE share ADD COLUMN lost_after INTEGER;
