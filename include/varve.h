/* SPDX-License-Identifier: Apache-2.0 */
/* varve: CQRS and event sourcing in C. This header brings the whole public interface. */
#ifndef VARVE_H
#define VARVE_H

#include <varve/aggregate.h>
#include <varve/command.h>
#include <varve/engine.h>
#include <varve/enrich.h>
#include <varve/error.h>
#include <varve/event.h>
#include <varve/projection.h>
#include <varve/projector.h>
#include <varve/query.h>
#include <varve/read.h>
#include <varve/replay.h>
#include <varve/scheduled.h>
#include <varve/schema.h>
#include <varve/store.h>
#include <varve/subscription.h>
#include <varve/trial.h>
#include <varve/upcast.h>
#include <varve/upkeep.h>

#define VARVE_VERSION "0.1.0"

#endif
