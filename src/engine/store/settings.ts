// Settings that the engines keep for themselves: rows of the table of settings.

/** Numbers that only ever rise. */
export const STREAM_HEAD = 'streamHead'
export const STREAM_FLOOR = 'streamFloor'
export const JOB_STREAM_FLOOR = 'jobStreamFloor'
export const LEDGER_BEGINS = 'ledgerBegins'
/** Figures by the minute before this instant may be gone. */
export const MINUTES_BEGIN = 'minutesBegin'

/** How far minutes have been added to their hours. */
export const FIGURES_SUMMED = 'figuresSummed'
