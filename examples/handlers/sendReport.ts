import type { Handler, PayloadSchema } from './handler.d.ts'

// A handler with a schema: a job whose payload does not fit is refused when it is created. The schema is written by hand here, so that
// the example needs no package; `z.object({ customer: z.object({ id: z.int() }), format: z.enum(['pdf', 'csv']).default('pdf') })`
// of zod would do the same.

interface ReportOrder {
  readonly customer: { readonly id: number }
  readonly format: 'pdf' | 'csv'
}

const reportOrder: PayloadSchema<ReportOrder> = {
  '~standard': {
    version: 1,
    vendor: 'orrery-examples',
    validate(value) {
      const { customer, format = 'pdf' } = (value ?? {}) as { customer?: { id?: unknown }; format?: unknown }
      const issues = []
      const id = customer?.id
      if (typeof id !== 'number' || !Number.isInteger(id)) issues.push({ message: 'a whole number is expected', path: ['customer', 'id'] })
      if (format !== 'pdf' && format !== 'csv') issues.push({ message: 'pdf or csv is expected', path: ['format'] })
      return issues.length > 0 ? { issues } : { value: { customer: { id: id as number }, format: format as ReportOrder['format'] } }
    },
    jsonSchema: {
      input: () => ({
        type: 'object',
        required: ['customer'],
        properties: {
          customer: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } },
          format: { enum: ['pdf', 'csv'], default: 'pdf' },
        },
      }),
    },
  },
}

/** What another attempt would not mend is thrown with `retryable: false`. */
class UnknownCustomer extends Error {
  readonly code = 'UNKNOWN_CUSTOMER'
  readonly retryable = false
}

const sendReport: Handler<ReportOrder> = {
  name: 'send-report',
  description: "Writes the report of a customer's month.",
  schema: reportOrder,
  run({ payload, scheduledFor, runId, log }) {
    if (payload.customer.id <= 0) throw new UnknownCustomer(`There is no customer ${payload.customer.id}.`)
    const month = scheduledFor.toISOString().slice(0, 7)
    // An attempt may be repeated after a crash: whatever has an effect elsewhere carries the run's id, so that it happens once.
    const file = `report-${payload.customer.id}-${month}-${runId}.${payload.format}`
    log.info('report written', { file })
    return { file }
  },
}

export default sendReport
