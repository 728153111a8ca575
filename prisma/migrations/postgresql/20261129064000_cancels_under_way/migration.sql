-- Written by hand: no query through the model asks for it.
--
-- Attempts under way that were asked to cancel: each worker looks for its own every second, and mostly there is none. Among all that are
-- under way it would have to go past those that have ended since the last vacuum.
CREATE INDEX "run_cancelling" ON "Run"("instanceId") WHERE ("status" = 'RUNNING' AND "cancelRequestedAt" IS NOT NULL);
