-- AlterTable
ALTER TABLE "JobEvent" ADD COLUMN     "before" TEXT COLLATE "C";
