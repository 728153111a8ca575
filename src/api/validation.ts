import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  MaxIntrospectionDepthRule,
  specifiedRules,
  type ValidationRule,
  ValuesOfCorrectTypeRule,
  validate,
} from 'graphql'
import type { ApiErrorCode } from './errors.ts'

/** Enough to mend a document by; a hostile one does not get a book. */
const MAX_ERRORS = 20

/** A literal that its type cannot read is BAD_USER_INPUT, as a variable is. Its errors are told apart where they are made. */
const ReadableValuesRule: ValidationRule = (context) =>
  ValuesOfCorrectTypeRule(
    Object.create(context, { reportError: { value: (error: GraphQLError) => context.reportError(withCode(error, 'BAD_USER_INPUT')) } }),
  )

/** Introspection that winds through types and their fields over and over is TOO_DEEP, as any other document. */
const IntrospectionDepthRule: ValidationRule = (context) =>
  MaxIntrospectionDepthRule(
    Object.create(context, { reportError: { value: (error: GraphQLError) => context.reportError(withCode(error, 'TOO_DEEP')) } }),
  )

const RULES = specifiedRules.map((rule) =>
  rule === ValuesOfCorrectTypeRule ? ReadableValuesRule : rule === MaxIntrospectionDepthRule ? IntrospectionDepthRule : rule,
)

/** What is wrong with a document, each error with its `extensions.code`; empty where nothing is. */
export function validateDocument(schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[] {
  return validate(schema, document, RULES, { maxErrors: MAX_ERRORS }).map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED'))
}

/** The error with this code, unless it has one. */
function withCode(error: GraphQLError, code: ApiErrorCode): GraphQLError {
  if (error.extensions.code !== undefined) return error
  return new GraphQLError(error.message, {
    nodes: error.nodes ?? null,
    originalError: error.originalError ?? null,
    extensions: { ...error.extensions, code },
  })
}
