export { promotionClosed, promotionHeld, promotionRequested } from './promotion/facts.ts'
