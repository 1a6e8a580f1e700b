/*
 * cap_xml: strangers' XML to a tree, within limits. No DTD, no entity but the five of XML itself, no XInclude, no
 * stylesheet, no file and no connection is opened, whatever the text asks for. Seen by cap_import*.c alone.
 */
#ifndef KW_PROTO_CAP_XML_H
#define KW_PROTO_CAP_XML_H

#include <libxml/tree.h>

#include "base/err.h"
#include "base/span.h"

#define CAP_XML_MAX (8u * 1024u * 1024u)
#define CAP_XML_DEPTH_MAX 32
#define CAP_XML_NODES_MAX 100000u /* elements, comments and instructions */
#define CAP_XML_TAG_MAX 8192      /* bytes from '<' to '>': libxml2 compares attributes each with each */

/* The sentence names the line. Free *out with xmlFreeDoc. KW_ELIMIT, KW_EPROTO or KW_ENOMEM. */
KW_MUST_USE enum kw_err cap_xml_parse(xmlDoc **out, struct span xml, struct kw_why *why);

#endif
