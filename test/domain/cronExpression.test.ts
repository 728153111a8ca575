import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseExpression } from '../../src/domain/cron/expression.ts'
import type { CronFields } from '../../src/domain/cron/fields.ts'
import { randomExpression } from './cronExpressions.ts'

function fieldsOf(expression: string): CronFields {
  const parsed = parseExpression(expression)
  assert.ok(parsed.ok, `${expression}: ${parsed.ok ? '' : parsed.message}`)
  return parsed.fields
}

function messageOf(expression: string): string {
  const parsed = parseExpression(expression)
  assert.ok(!parsed.ok, `${JSON.stringify(expression)} was accepted`)
  return parsed.message
}

function range(from: number, to: number, step = 1): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step)
}

describe('a cron expression', () => {
  it('of five fields begins with the minute and fires at second 0', () => {
    const fields = fieldsOf('30 2 * * *')
    assert.deepEqual([fields.seconds, fields.minutes, fields.hours], [[0], [30], [2]])
  })

  it('of six fields begins with the second', () => {
    const fields = fieldsOf('15 30 2 * * *')
    assert.deepEqual([fields.seconds, fields.minutes, fields.hours], [[15], [30], [2]])
  })

  it('may have any white space around and between its fields', () => {
    assert.deepEqual(fieldsOf(' \t30   2 *\t* * '), fieldsOf('30 2 * * *'))
  })

  for (const [name, expression] of [
    ['@yearly', '0 0 0 1 1 *'],
    ['@annually', '0 0 0 1 1 *'],
    ['@monthly', '0 0 0 1 * *'],
    ['@weekly', '0 0 0 * * 0'],
    ['@daily', '0 0 0 * * *'],
    ['@midnight', '0 0 0 * * *'],
    ['@hourly', '0 0 * * * *'],
  ] as const) {
    it(`${name} is ${expression}`, () => assert.deepEqual(fieldsOf(name), fieldsOf(expression)))
  }

  for (const [minute, values] of [
    ['*', range(0, 59)],
    ['7', [7]],
    ['07', [7]],
    ['5,50,20', [5, 20, 50]],
    ['5,5,5', [5]],
    ['10-15', range(10, 15)],
    ['10-10', [10]],
    ['10-20/3', [10, 13, 16, 19]],
    ['10-20/60', [10]],
    ['*/15', [0, 15, 30, 45]],
    ['*/1', range(0, 59)],
    ['*/7', [0, 7, 14, 21, 28, 35, 42, 49, 56]],
    ['*/90', [0]],
    ['5/15', [5, 20, 35, 50]],
    ['58/1', [58, 59]],
    ['1-5,3', range(1, 5)],
    ['1-5,3-8', range(1, 8)],
    ['*/30,10', [0, 10, 30]],
    ['*,5', range(0, 59)],
  ] as const) {
    it(`minute ${minute} means ${values.length} minutes from ${values[0]}`, () =>
      assert.deepEqual(fieldsOf(`${minute} * * * *`).minutes, values))
  }

  for (const [month, values] of [
    ['*', range(1, 12)],
    ['JAN', [1]],
    ['jan,Dec', [1, 12]],
    ['MAR-MAY', [3, 4, 5]],
    ['JAN-12/4', [1, 5, 9]],
    ['*/5', [1, 6, 11]],
    ['APR/4', [4, 8, 12]],
    ['2,02,FEB', [2]],
  ] as const) {
    it(`month ${month} means ${values}`, () => assert.deepEqual(fieldsOf(`0 0 1 ${month} *`).months, values))
  }

  for (const [weekday, values] of [
    ['*', range(0, 6)],
    ['0', [0]],
    ['7', [0]],
    ['0,7', [0]],
    ['sun,7,0', [0]],
    ['MON-FRI', [1, 2, 3, 4, 5]],
    ['Mon-5', [1, 2, 3, 4, 5]],
    ['5-7', [0, 5, 6]],
    ['1-7', range(0, 6)],
    ['0-7', range(0, 6)],
    ['SUN-TUE', [0, 1, 2]],
    ['*/2', [0, 2, 4, 6]],
    ['*/7', [0]],
    ['1/2', [0, 1, 3, 5]],
    ['TUE/3', [2, 5]],
  ] as const) {
    it(`day-of-week ${weekday} means ${values}`, () => assert.deepEqual(fieldsOf(`0 0 * * ${weekday}`).daysOfWeek.days, values))
  }

  it('takes the special days of a month, also in lists with others', () => {
    assert.deepEqual(fieldsOf('0 0 L,LW,L-3,15W,1w,20,l * *').daysOfMonth, {
      restricted: true,
      days: [20],
      beforeLast: [0, 3],
      nearestWeekdayTo: [15, 1],
      lastWeekday: true,
    })
  })

  it('takes the special days of a week, by number or name, also in lists with others', () => {
    assert.deepEqual(fieldsOf('0 0 * * 5L,MON#2,7#1,frI#5,sunL,TUE').daysOfWeek, {
      restricted: true,
      days: [2],
      nth: [
        { day: 1, nth: 2 },
        { day: 0, nth: 1 },
        { day: 5, nth: 5 },
      ],
      last: [5, 0],
    })
  })

  it('restricts a day field by anything but * and ?', () => {
    const restricted = (expression: string) => {
      const { daysOfMonth, daysOfWeek } = fieldsOf(expression)
      return [daysOfMonth.restricted, daysOfWeek.restricted]
    }
    assert.deepEqual(restricted('0 0 * * *'), [false, false])
    assert.deepEqual(restricted('0 0 ? * ?'), [false, false])
    assert.deepEqual(restricted('0 0 */2 * ?'), [true, false])
    assert.deepEqual(restricted('0 0 ? * */2'), [false, true])
    assert.deepEqual(restricted('0 0 1-31 * 0-7'), [true, true])
    assert.deepEqual(restricted('0 0 L * 5L'), [true, true])
  })

  it('is periodic only where its hour is written * or * with a step', () => {
    for (const hour of ['*', '*/1', '*/2', '*/06']) assert.equal(fieldsOf(`0 ${hour} * * *`).periodic, true, hour)
    for (const hour of ['0', '0-23', '0/1', '0/2', '*,1', '*/2,1', '0-23/2'])
      assert.equal(fieldsOf(`0 ${hour} * * *`).periodic, false, hour)
    assert.equal(fieldsOf('@hourly').periodic, true)
    assert.equal(fieldsOf('@daily').periodic, false)
  })

  for (const [expression, message] of [
    ['', /0 fields; accepted are 5 .* or 6/],
    ['   ', /0 fields/],
    ['0', /1 field;/],
    ['* * *', /3 fields; accepted are 5/],
    ['* * * *', /4 fields/],
    ['* * * * * * *', /7 fields/],
    ['@reboot', /"@reboot" is not a known name; accepted are @yearly, @annually, @monthly/],
    ['@Daily', /not a known name/],
    ['@every 5m', /not a known name/],
    ['@secondly', /not a known name/],
    ['60 * * * *', /^minute: 60 is out of range; accepted are 0 to 59/],
    ['60 * * * * *', /^second: 60 is out of range/],
    ['* 24 * * *', /^hour: 24 is out of range; accepted are 0 to 23/],
    ['* * 0 * *', /^day-of-month: 0 is out of range; accepted are 1 to 31/],
    ['* * 32 * *', /^day-of-month: 32 is out of range/],
    ['* * * 0 *', /^month: 0 is out of range; accepted are 1 to 12, JAN to DEC/],
    ['* * * 13 *', /^month: 13 is out of range/],
    ['* * * * 8', /^day-of-week: 8 is out of range; accepted are 0 to 7/],
    ['5-70 * * * *', /^minute: 70 is out of range/],
    ['*/0 * * * *', /^minute: the step of "\*\/0" is 0/],
    ['5/0 * * * *', /the step of "5\/0" is 0/],
    ['50-10 * * * *', /^minute: the range "50-10" ends before it begins.*50-59,0-10/],
    ['* 22-6 * * *', /^hour: the range "22-6".*22-23,0-6/],
    ['* * * NOV-FEB *', /^month: the range "NOV-FEB".*NOV-DEC,JAN-FEB/],
    ['* * * * FRI-MON', /^day-of-week: the range "FRI-MON".*FRI-SAT,SUN-MON/],
    ['* * * * FRI-SUN', /^day-of-week: the range "FRI-SUN".*FRI-7, where 7 is Sunday/],
    ['* * * * 6-0', /6-7, where 7 is Sunday/],
    ['H * * * *', /^minute: "H" uses H, which is not accepted; .*jitter/],
    ['H/15 * * * *', /uses H/],
    ['H(0-29) * * * *', /uses H/],
    ['* * H * *', /uses H/],
    ['? * * * *', /^minute: "\?" is accepted alone, in day-of-month and day-of-week/],
    ['* ? * * *', /^hour: "\?"/],
    ['* * * ? *', /^month: "\?"/],
    ['* * ?,5 * *', /^day-of-month: "\?" is accepted alone/],
    ['* * ?/5 * *', /^day-of-month: "\?\/5" is not understood/],
    ['* * * * L', /^day-of-week: "L" needs a day, as in 5L/],
    ['* * * * 15W', /^day-of-week: "15W" is not understood/],
    ['* * * * 5#6', /^day-of-week: "5#6" is not understood; accepted are .*5#3 \(the third Friday\)/],
    ['* * * * 5#0', /not understood/],
    ['* * * * 8L', /not understood/],
    ['* * * * 1-5L', /not understood/],
    ['* * * * MON#1#2', /not understood/],
    ['* * L-31 * *', /^day-of-month: "L-31" is not understood; accepted are .*L-1 to L-30/],
    ['* * L-0 * *', /not understood/],
    ['* * L3 * *', /not understood/],
    ['* * 5L * *', /not understood/],
    ['* * 0W * *', /not understood/],
    ['* * 32W * *', /not understood/],
    ['* * W * *', /not understood/],
    ['* * 1-5W * *', /not understood/],
    ['* * LW-3 * *', /not understood/],
    ['L * * * *', /^minute: "L" is not understood/],
    ['* * * JANUARY *', /^month: "JANUARY" is not understood/],
    ['* * * FOO *', /^month: "FOO" is not understood/],
    ['MON * * * *', /^minute: "MON" is not understood/],
    ['* * * MON *', /^month: "MON" is not understood/],
    ['1,,2 * * * *', /^minute: "" in "1,,2" is not understood/],
    [',1 * * * *', /not understood/],
    ['1, * * * *', /not understood/],
    ['1-2-3 * * * *', /not understood/],
    ['1/2/3 * * * *', /not understood/],
    ['1- * * * *', /not understood/],
    ['-5 * * * *', /not understood/],
    ['*/ * * * *', /not understood/],
    ['*5 * * * *', /not understood/],
    ['** * * * *', /not understood/],
    ['1.5 * * * *', /not understood/],
    ['1e1 * * * *', /not understood/],
    ['0x5 * * * *', /not understood/],
    ['+5 * * * *', /not understood/],
    ['500 * * * *', /not understood/],
    ['5;6 * * * *', /not understood/],
    ['~ * * * *', /not understood/],
    ['* * * * *\u0000', /not understood/],
  ] as const) {
    it(`${JSON.stringify(expression)} is refused with the field, what came and what is accepted`, () =>
      assert.match(messageOf(expression), message))
  }

  it('is refused where it is longer than any that means something', () => {
    assert.match(messageOf(`${'1,'.repeat(600)}1 * * * *`), /1209 characters; at most 1024/)
  })

  it('that is built from the accepted forms is accepted', () => {
    fc.assert(
      fc.property(
        fc.boolean().chain((seconds) => randomExpression({ seconds })),
        ({ text, periodic }) => {
          assert.equal(fieldsOf(text).periodic, periodic)
        },
      ),
      { numRuns: 1_000, seed: 7 },
    )
  })

  it('of any text is accepted or refused, and never breaks the parser', () => {
    const signs = fc.constantFrom(...' *,-/?#LWH@07159MONJAN'.split(''), ' ', ' ', ' ', '*')
    const texts = fc.oneof(
      fc.string(),
      fc.array(signs, { maxLength: 30 }).map((parts) => parts.join('')),
      fc.string({ unit: 'grapheme' }),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const parsed = parseExpression(text)
        return parsed.ok ? parsed.fields.minutes.length > 0 : parsed.message.length > 0
      }),
      { numRuns: 3_000, seed: 8 },
    )
  })
})
