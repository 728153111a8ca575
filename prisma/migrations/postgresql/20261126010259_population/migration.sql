-- CreateIndex
CREATE INDEX "job_paused" ON "Job"("id", "pauseUntil") WHERE ("pauseSince" IS NOT NULL AND "deletedAt" IS NULL);

-- CreateIndex
CREATE INDEX "position_completed" ON "JobPosition"("jobId", "completed") WHERE ("completed");
