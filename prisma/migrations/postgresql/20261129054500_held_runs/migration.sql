-- Written by hand: no query through the model asks for it.
--
-- The next of a job's runs that wait for the others of it, however many go.
CREATE INDEX "run_held" ON "Run"("jobId", "dueAt", "id") WHERE ("heldBy" = 'OVERLAP');
