import { data } from '@actions/expressions'

/**
 * Upstream fault: a number in text has all the digits of JavaScript; GitHub's own has 15, and an exponent from 1E+15 on and below
 * 0.00001 (actions/runner, src/Sdk/Expressions/ExpressionConstants.cs: `NumberFormat`). Mended by giving the class another method.
 */
data.NumberData.prototype.coerceString = function (): string {
  return textOfNumber(this.value)
}

const textOfNumber = (value: number): string => {
  if (!Number.isFinite(value) || value === 0) return Number.isNaN(value) ? 'NaN' : value === 0 ? '0' : String(value)
  const rounded = Number(value.toPrecision(15))
  const [mantissa = '', exponent = ''] = rounded.toExponential().split('e')
  const power = Number(exponent)
  if (power < 15 && power >= -5) return String(rounded)
  return `${mantissa}E${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}
