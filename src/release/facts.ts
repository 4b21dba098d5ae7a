export {
  promotionApproved,
  promotionClosed,
  promotionGranted,
  promotionHeld,
  promotionRequested,
} from './promotion/facts.ts'
