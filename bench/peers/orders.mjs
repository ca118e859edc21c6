// SPDX-License-Identifier: Apache-2.0
// The aggregate that commands are measured with, as order.lua has it, for Emmett's command handler.
import { CommandHandler, isExpectedVersionConflictError } from '@event-driven-io/emmett'

const MOST = 1e12 // an order's total, which none comes to: so that a decision looks at the state
const emitted = {
  PlaceOrder: 'OrderPlaced',
  AmendOrder: 'OrderAmended',
  PayOrder: 'OrderPaid',
  ShipOrder: 'OrderShipped',
}

const initialState = () => ({ events: 0, total_amount: 0 })

const evolve = (state, event) => ({
  events: state.events + 1,
  total_amount: state.total_amount + event.data.total_amount,
})

const decide = (state, command) => {
  if (state.total_amount > MOST) throw new Error('the order is too large')
  return { type: emitted[command.type], data: command.data }
}

const handle = CommandHandler({ evolve, initialState })
const again = { retry: { onVersionConflict: true } } // Emmett's own: three more tries, some 0.1 to 0.4 s apart

// False when the last try met a conflict too.
export async function execute(store, command) {
  try {
    await handle(store, command.stream, (state) => decide(state, command), again)
    return true
  } catch (error) {
    if (!isExpectedVersionConflictError(error)) throw error
    return false
  }
}
