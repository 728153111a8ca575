/** A piece of TypeScript source: comments and blanks are left out, so that nothing written in them counts. */
export interface Token {
  readonly kind: 'word' | 'string' | 'template' | 'regex' | 'number' | 'sign'
  /** As written; of a string its content. */
  readonly text: string
  readonly line: number
}

/** An import as written, wherever it stands: static, `export … from`, dynamic, required, or a module named by `new URL(…, import.meta.url)`. */
export interface SourceImport {
  readonly specifier: string
  readonly line: number
  /** Only types: nothing of it is there when the program runs. */
  readonly typeOnly: boolean
  /** Names taken from the other module, as they are called there. */
  readonly names: readonly string[]
}

const WORD = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*/uy
const NUMBER = /\.?\d[\w.]*/y
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
/** After these a slash begins a regular expression; after any other word it divides. */
const BEFORE_REGEX = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'delete',
  'void',
  'throw',
  'new',
  'else',
  'do',
  'instanceof',
  'yield',
  'await',
])

export function tokenize(source: string): Token[] {
  const tokens: Token[] = []
  /** For each template under way, how many braces are open inside its current `${`. */
  const templates: number[] = []
  let at = 0
  let line = 1

  const take = (kind: Token['kind'], end: number, text = source.slice(at, end)): void => {
    tokens.push({ kind, text, line })
    advance(end)
  }
  const advance = (end: number): void => {
    for (let i = source.indexOf('\n', at); i !== -1 && i < end; i = source.indexOf('\n', i + 1)) line += 1
    at = end
  }
  const match = (pattern: RegExp): number => {
    pattern.lastIndex = at
    return pattern.test(source) ? pattern.lastIndex : -1
  }
  /** Reads template text from `at` to the end of the template or into its next `${`. */
  const templateText = (from: number): void => {
    let end = from
    while (end < source.length && source[end] !== '`' && !source.startsWith('${', end)) end += source[end] === '\\' ? 2 : 1
    const opens = source.startsWith('${', end)
    if (opens) templates.push(0)
    take('template', Math.min(source.length, end + (opens ? 2 : 1)))
  }

  while (at < source.length) {
    const char = source[at]!
    const open = templates.at(-1)
    if (/\s/.test(char)) advance(at + 1)
    else if (source.startsWith('//', at) || (at === 0 && source.startsWith('#!'))) advance(endOr(source.indexOf('\n', at), source))
    else if (source.startsWith('/*', at)) advance(endOr(source.indexOf('*/', at + 2) + 2, source, 2))
    else if (char === "'" || char === '"') {
      let end = at + 1
      while (end < source.length && source[end] !== char && source[end] !== '\n') end += source[end] === '\\' ? 2 : 1
      take('string', end + 1, source.slice(at + 1, end))
    } else if (char === '`') templateText(at + 1)
    else if (char === '}' && open === 0) {
      templates.pop()
      templateText(at + 1)
    } else if (match(WORD) !== -1) take('word', match(WORD))
    else if (match(NUMBER) !== -1) take('number', match(NUMBER))
    else if (char === '/' && regexMayBegin(tokens.at(-1)) && match(REGEX) !== -1) take('regex', match(REGEX))
    else {
      if (open !== undefined && char === '{') templates[templates.length - 1] = open + 1
      if (open !== undefined && char === '}') templates[templates.length - 1] = open - 1
      take('sign', at + 1)
    }
  }
  return tokens
}

function endOr(index: number, source: string, offset = 0): number {
  return index === offset - 1 ? source.length : index
}

function regexMayBegin(previous: Token | undefined): boolean {
  if (previous === undefined) return true
  if (previous.kind === 'word') return BEFORE_REGEX.has(previous.text)
  return previous.kind === 'sign' && !/[)\]}]/.test(previous.text)
}

export function importsOf(tokens: readonly Token[]): SourceImport[] {
  return tokens.flatMap((token, i) => {
    if (token.kind !== 'word' || tokens[i - 1]?.text === '.') return []
    const next = tokens[i + 1]
    if (token.text === 'import' && next?.kind === 'string') return [found(next, false, [])]
    if ((token.text === 'import' || token.text === 'require') && next?.text === '(') return call(tokens, i + 2)
    if (token.text === 'URL' && next?.text === '(' && tokens[i + 4]?.text === 'import')
      return call(tokens, i + 2).filter(({ specifier }) => /\.[cm]?[jt]sx?$/.test(specifier))
    if (token.text === 'import' || token.text === 'export') return clause(tokens, i)
    return []
  })
}

function call(tokens: readonly Token[], i: number): SourceImport[] {
  const argument = tokens[i]
  return argument?.kind === 'string' ? [found(argument, false, [])] : []
}

/** `import a, { b, type C as D } from 'x'`, `export * from 'x'`; nothing where the words are no such clause. */
function clause(tokens: readonly Token[], start: number): SourceImport[] {
  const wholeType = tokens[start + 1]?.text === 'type' && !['from', ','].includes(tokens[start + 2]?.text ?? '')
  const names: string[] = []
  let types = 0
  for (let i = start + (wholeType ? 2 : 1); i < tokens.length; i++) {
    const { kind, text } = tokens[i]!
    const before = tokens[i - 1]?.text
    if (text === 'from' && tokens[i + 1]?.kind === 'string')
      return [found(tokens[i + 1]!, wholeType || (types > 0 && types === names.length), names)]
    if (kind === 'sign' ? !/[{},*]/.test(text) : kind !== 'word') return []
    if (kind !== 'word' || text === 'as' || before === 'as') continue
    if (text === 'type' && ['{', ','].includes(before ?? '') && !['}', ',', 'as'].includes(tokens[i + 1]?.text ?? '')) types += 1
    else names.push(text)
  }
  return []
}

function found(specifier: Token, typeOnly: boolean, names: readonly string[]): SourceImport {
  return { specifier: specifier.text, line: specifier.line, typeOnly, names }
}
