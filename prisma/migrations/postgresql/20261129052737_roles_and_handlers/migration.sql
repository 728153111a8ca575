-- AlterTable
ALTER TABLE "Instance" ADD COLUMN     "handlers" TEXT COLLATE "C" NOT NULL DEFAULT '[]',
ADD COLUMN     "skew" INTEGER;

-- CreateIndex
CREATE INDEX "job_handler" ON "Job"("handler", "id") WHERE ("handler" IS NOT NULL AND "deletedAt" IS NULL);
