export {
  promotionClosed,
  promotionGranted,
  promotionHeld,
  promotionRequested,
} from './promotion/facts.ts'
